"""The steps of a project: each makes something once, says so, leaves what fits, and goes on where it was killed."""
