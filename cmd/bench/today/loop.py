"""What a user has today: a loop with boto3 and urllib that reads the secrets, asks for the tokens and writes them to SSM, one after another.

usage: loop.py TOKENS PASSES. Prints the CPU of each pass in microseconds for each token; one pass before them warms up.
"""
import base64
import json
import resource
import sys
import urllib.parse
import urllib.request

import boto3

tokens, passes = int(sys.argv[1]), int(sys.argv[2])
names = ["hotmart/tenant-%05d" % i for i in range(tokens)]
secrets = boto3.client("secretsmanager")
parameters = boto3.client("ssm")


def one_pass():
    for start in range(0, tokens, 20):
        answer = secrets.batch_get_secret_value(SecretIdList=["oauth/" + n for n in names[start:start + 20]])
        for value in answer["SecretValues"]:
            document = json.loads(value["SecretString"])
            pair = document["client_id"] + ":" + document["client_secret"]
            request = urllib.request.Request(
                document["token_endpoint"],
                data=urllib.parse.urlencode({"grant_type": "client_credentials"}).encode(),
                headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()},
            )
            with urllib.request.urlopen(request, timeout=10) as response:
                token = json.load(response)
            parameters.put_parameter(
                Name="/oauth/" + value["Name"][len("oauth/"):] + "/access_token",
                Value=token["access_token"],
                Type="SecureString",
                Overwrite=True,
            )


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


one_pass()
spent = []
for _ in range(passes):
    before = cpu()
    one_pass()
    spent.append((cpu() - before) * 1e6 / tokens)
print(json.dumps({"tokens": tokens, "us_per_token": spent}))
