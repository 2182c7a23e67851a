<?php
// Stands in for the AWS SDK for PHP (aws/aws-sdk-php), which Composer would install here and which the tests do without. It is no SDK: it has
// the constructor and the one method of each client that the README uses, takes the same arguments, answers in the same shape (an array access
// on the members of the API's answer) and throws an exception that names AWS's error code. The requests are real ones, to AWS_ENDPOINT_URL.
// They are not signed: the stores of the tests do not look at signatures.

namespace Aws\Exception {
    class AwsException extends \RuntimeException
    {
        public function __construct(string $message, private string $awsCode)
        {
            parent::__construct($message);
        }

        public function getAwsErrorCode(): string
        {
            return $this->awsCode;
        }
    }
}

namespace Aws {
    abstract class StandInClient
    {
        private int $timeout;

        public function __construct(array $config)
        {
            $this->timeout = $config['http']['timeout'] ?? 0; // seconds; as in the SDK, 0 waits for ever
            foreach (['version', 'region'] as $required) {
                if (!is_string($config[$required] ?? null) || $config[$required] === '') {
                    throw new \InvalidArgumentException("Missing required client configuration options: $required");
                }
            }
        }

        /** Posts and returns the decoded answer. */
        protected function post(string $path, array $headers, string $body): array
        {
            $request = curl_init(rtrim(getenv('AWS_ENDPOINT_URL'), '/') . $path);
            $code = '';
            curl_setopt_array($request, [
                CURLOPT_POST => true, CURLOPT_POSTFIELDS => $body, CURLOPT_HTTPHEADER => $headers, CURLOPT_RETURNTRANSFER => true,
                CURLOPT_TIMEOUT => $this->timeout, CURLOPT_PROXY => '',
                CURLOPT_HEADERFUNCTION => function ($_, string $line) use (&$code): int {
                    if (stripos($line, 'x-amzn-errortype:') === 0) {
                        $code = trim(substr($line, strlen('x-amzn-errortype:')));
                    }
                    return strlen($line);
                },
            ]);
            $answer = curl_exec($request);
            $status = curl_getinfo($request, CURLINFO_RESPONSE_CODE);
            if ($answer === false) {
                throw new Exception\AwsException(curl_error($request), 'NetworkingError');
            }
            if ($status !== 200) {
                $message = json_decode($answer, true)['message'] ?? '';
                throw new Exception\AwsException("Error executing the operation; AWS HTTP error: $status $code (client): $message", $code);
            }
            return json_decode($answer, true, flags: JSON_THROW_ON_ERROR);
        }
    }
}

namespace Aws\Ssm {
    class SsmClient extends \Aws\StandInClient
    {
        public function getParameter(array $args): array
        {
            return $this->post('/', ['Content-Type: application/x-amz-json-1.1', 'X-Amz-Target: AmazonSSM.GetParameter'], json_encode($args));
        }
    }
}

namespace Aws\Lambda {
    class LambdaClient extends \Aws\StandInClient
    {
        public function invoke(array $args): array
        {
            $path = '/2015-03-31/functions/' . rawurlencode($args['FunctionName']) . '/invocations';
            return ['StatusCode' => 200, 'Payload' => $this->post($path, ['Content-Type: application/octet-stream'], $args['Payload'])];
        }
    }
}
