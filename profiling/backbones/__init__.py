"""Frozen networks: waveforms in, one vector per layer and utterance out."""
