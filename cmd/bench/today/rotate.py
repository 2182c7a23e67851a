"""What a user has today: a rotation function in Python that makes the same calls as AWS's template, written anew for this comparison.

Like the template it makes its client in every invocation, describes the secret, checks the version's labels, and then does its step. Where the
template makes up a password it reads the staged pair, and where the template leaves the test to its user it asks the token endpoint once.

usage: rotate.py STEPS PASSES each|once wire|tape. Prints the CPU of each pass in microseconds for each step; one pass before them warms up.
With "once" all invocations share one client, as the template does not. With "tape" the answers of the first pass are kept and given again,
in their order, in the passes after it: no request leaves the program then.
"""
import base64
import json
import resource
import sys
import urllib.parse
import urllib.request

import boto3
import botocore.httpsession

steps, passes, client_is_made, answers = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
shared = boto3.client("secretsmanager") if client_is_made == "once" else None


class Tape:
    def __init__(self):
        self.kept, self.played, self.playing = {}, {}, False

    def ask(self, key, send):
        if not self.playing:
            answer = send()
            self.kept.setdefault(key, []).append(answer)
            return answer
        all_of_it, n = self.kept[key], self.played.get(key, 0)
        self.played[key] = n + 1
        return all_of_it[n % len(all_of_it)]


tape = Tape()
really_send = botocore.httpsession.URLLib3Session.send


def send(session, request):
    def now():
        answer = really_send(session, request)
        answer.content  # read, and kept by botocore
        return answer
    return tape.ask((request.headers["X-Amz-Target"], request.body), now) if answers == "tape" else now()


botocore.httpsession.URLLib3Session.send = send


def handler(event):
    sm = shared or boto3.client("secretsmanager")
    name, version = event["SecretId"], event["ClientRequestToken"]
    secret = sm.describe_secret(SecretId=name)
    if not secret["RotationEnabled"]:
        raise ValueError("rotation is off")
    labels = secret["VersionIdsToStages"].get(version, [])
    if "AWSCURRENT" in labels:
        return
    if "AWSPENDING" not in labels:
        raise ValueError("the version is not pending")
    {"createSecret": create, "setSecret": nothing, "testSecret": test, "finishSecret": finish}[event["Step"]](sm, name, version)


def create(sm, name, version):
    document = json.loads(sm.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"])
    try:
        sm.get_secret_value(SecretId=name, VersionId=version, VersionStage="AWSPENDING")
    except sm.exceptions.ResourceNotFoundException:
        document.update(json.loads(sm.get_secret_value(SecretId=name, VersionStage="CANDIDATE")["SecretString"]))
        sm.put_secret_value(SecretId=name, ClientRequestToken=version, SecretString=json.dumps(document), VersionStages=["AWSPENDING"])


def nothing(sm, name, version):
    pass


def test(sm, name, version):
    document = json.loads(sm.get_secret_value(SecretId=name, VersionId=version, VersionStage="AWSPENDING")["SecretString"])
    pair = document["client_id"] + ":" + document["client_secret"]
    request = urllib.request.Request(
        document["token_endpoint"],
        data=urllib.parse.urlencode({"grant_type": "client_credentials"}).encode(),
        headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()},
    )
    def ask():
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.read()
    answer = tape.ask(request.get_header("Authorization"), ask) if answers == "tape" else ask()
    if not json.loads(answer)["access_token"]:
        raise ValueError("no token")


def finish(sm, name, version):
    versions = sm.describe_secret(SecretId=name)["VersionIdsToStages"]
    current = next(v for v, labels in versions.items() if "AWSCURRENT" in labels)
    sm.update_secret_version_stage(SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=current)
    sm.update_secret_version_stage(SecretId=name, VersionStage="AWSPENDING", RemoveFromVersionId=version)


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def one_pass(number):
    rotations = steps // 4
    for i in range(number * rotations, (number + 1) * rotations):
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
            handler({"Step": step, "SecretId": "oauth/hotmart/tenant-%05d" % i, "ClientRequestToken": "%032d" % i})


one_pass(0)
if answers == "tape":
    tape.playing = True
    one_pass(0)
spent = []
for number in range(1, passes + 1):
    before = cpu()
    one_pass(0 if answers == "tape" else number)
    spent.append((cpu() - before) * 1e6 / steps)
print(json.dumps({"tokens": steps, "us_per_token": spent}))
