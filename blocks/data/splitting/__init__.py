"""Which rows belong to which part of a split: by time, by group, by stratum, in folds. By hash: `source_steps`."""
