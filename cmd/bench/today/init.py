"""What a user has today: a Lambda function in Python that makes both AWS clients, at the point where it asks for its first event."""
import os
import urllib.request

import boto3

secrets = boto3.client("secretsmanager")
parameters = boto3.client("ssm")

urllib.request.urlopen("http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/next")
