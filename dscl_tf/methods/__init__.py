"""Methods that add to the stages, each in a folder of its own (docs/architecture.md).

What is at the top of this folder is for all of them; `registered` names them.
"""
