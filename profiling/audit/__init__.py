"""Audit: what would make a result on these corpora wrong or weak, found before anything is trained."""
