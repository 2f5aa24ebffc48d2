"""Structured baseline: what days bring, learned where many series are summed up, times a smoothed level per series."""
