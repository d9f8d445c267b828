"""Prompts and proposers: a task description becomes reward programs as text."""
