"""Rolling-origin backtests: folds, metrics, comparison."""
