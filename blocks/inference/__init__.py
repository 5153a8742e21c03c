"""From raw rows to answers: the graph, the chain of postprocessors, what predicts."""
