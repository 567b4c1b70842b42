"""What a detector reached: scores, AUC, alarms in streams, and how sure that is."""
