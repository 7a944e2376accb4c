"""The link comes by ssh, where each packet has a MAC: what is meant for a command is summed up there already."""
sealed = 1
