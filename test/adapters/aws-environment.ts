const NAMES = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"] as const;

/** Sets what the AWS SDK's own chain finds first; the returned function puts back what was there. */
export function setAwsCredentials(
  given: { accessKeyId: string; secretAccessKey: string } | null,
): () => void {
  const before = NAMES.map((name) => [name, process.env[name]] as const);
  put("AWS_ACCESS_KEY_ID", given?.accessKeyId);
  put("AWS_SECRET_ACCESS_KEY", given?.secretAccessKey);
  put("AWS_EC2_METADATA_DISABLED", "true");
  return () => {
    for (const [name, value] of before) put(name, value);
  };
}

function put(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
