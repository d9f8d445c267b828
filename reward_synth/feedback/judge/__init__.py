"""A vision-language model that judges what policies do, from pictures and measured facts."""
