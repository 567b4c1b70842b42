"""From scores to alarms: the alarm rule, the state of the microphone, slow drift."""
