"""The form that pages share: template, CSS, figures, tables."""
