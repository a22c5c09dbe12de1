"""How the mini backbone was trained: speech, distortions, margin, schedule, checkpoints."""
