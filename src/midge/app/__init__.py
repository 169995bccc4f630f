"""The composition root: the only place that names implementations. Opens everything, in order, and closes it again."""
