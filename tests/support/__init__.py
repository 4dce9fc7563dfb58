"""What tests share: small worlds on disk, trainings of seconds, commands, servers."""
