"""Methods that add to the stages, each in a folder of its own (docs/architecture.md).

The modules beside these folders are shared by all methods; `registered` lists them.
"""
