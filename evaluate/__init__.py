"""AUC, reports and checks of data sets: what a workstation does with a trained detector."""
