"""client.py GET|POST URL [TEXT]: prints the status and the answer."""

import sys
import urllib.error
import urllib.request

method, url, text = (sys.argv[1:] + [None])[:3]
request = urllib.request.Request(url, method=method, data=text and text.encode())
try:
    answer = urllib.request.urlopen(request)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status)
print(answer.read().decode())
