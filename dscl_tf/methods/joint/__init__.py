"""Joint training: the contrastive losses beside the Dice loss."""
