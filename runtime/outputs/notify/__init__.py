"""`--notify-file`: notifications to people, through the services that Apprise knows."""
