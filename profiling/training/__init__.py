"""The thin shell around the heads: Hydra, Lightning, run folders."""
