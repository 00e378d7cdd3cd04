server { secret = ["a very good secret indeed", "another one] }
