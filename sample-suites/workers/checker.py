"""A worker: one question per line on standard input, one answer per line on standard output."""

import json
import sys

for line in sys.stdin:
    question = json.loads(line)
    text = question["input"]["text"]
    wanted = question["input"].get("palindrome", True)
    letters = [letter for letter in text.lower() if letter.isalpha()]
    found = letters == letters[::-1]
    answer = {"case": question["case"], "outcome": "pass", "output": {"letters": len(letters)}}
    if found != wanted:
        answer["outcome"] = "fail"
        answer["message"] = f"palindrome: expected {wanted}, found {found}"
    print(json.dumps(answer), flush=True)
