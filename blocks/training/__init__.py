"""The core, the loop over it and what goes with it: batches, history, resuming, calibration."""
