"""Who runs where: the plan, what runs ask for, what they hold."""
