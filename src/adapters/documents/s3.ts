import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { DocumentStore } from "../../domain/core.ts";
import { assertDocumentKey } from "./keys.ts";
import { isMissingObject, s3Error } from "./s3-reason.ts";

export type S3DocumentsOptions = {
  readonly bucket: string;
  /** Of a store that is not Amazon's; its buckets are then addressed by path. */
  readonly endpoint?: string;
  readonly region?: string;
  /** Where the bucket's objects are public; links then need no signature and do not expire. */
  readonly publicUrl?: string;
  readonly timeouts?: { readonly connectMs: number; readonly requestMs: number };
};

const MAX_ATTEMPTS = 3;
const TIMEOUTS = { connectMs: 3_000, requestMs: 15_000 };

/** Documents in a bucket. Credentials are found by the AWS SDK's own chain. */
export function s3Documents(options: S3DocumentsOptions): DocumentStore {
  const { bucket, endpoint, publicUrl, timeouts = TIMEOUTS } = options;
  const client = new S3Client(clientConfig(options, timeouts));
  const place = { bucket, endpoint };

  /** The SDK's limits are per try and per silence; this one is on the whole call, its body included. */
  async function call<T>(tries: number, send: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    const limit = new AbortController();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => {
        const reason = new DOMException("the call took too long", "TimeoutError");
        limit.abort(reason);
        late.reject(reason);
      },
      tries * (timeouts.connectMs + timeouts.requestMs),
    );
    try {
      return await Promise.race([send(limit.signal), late.promise]);
    } catch (error) {
      throw s3Error(error, place);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    async put(key, bytes, contentType) {
      assertDocumentKey(key);
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: bytes,
        ContentLength: bytes.byteLength,
        ContentType: contentType,
      });
      await call(MAX_ATTEMPTS, (abortSignal) => client.send(command, { abortSignal }));
    },

    async get(key) {
      assertDocumentKey(key);
      const command = new GetObjectCommand({ Bucket: bucket, Key: key });
      return call(MAX_ATTEMPTS, async (abortSignal) => {
        try {
          const { Body } = await client.send(command, { abortSignal });
          return Body === undefined ? new Uint8Array() : await Body.transformToByteArray();
        } catch (error) {
          if (isMissingObject(error)) return null;
          throw error;
        }
      });
    },

    async delete(key) {
      assertDocumentKey(key);
      const command = new DeleteObjectCommand({ Bucket: bucket, Key: key });
      await call(MAX_ATTEMPTS, async (abortSignal) => {
        try {
          await client.send(command, { abortSignal });
        } catch (error) {
          // Amazon answers as if it had been there; other stores do not.
          if (!isMissingObject(error)) throw error;
        }
      });
    },

    async link(key, ttlSeconds) {
      assertDocumentKey(key);
      if (publicUrl !== undefined) return `${publicUrl.replace(/\/+$/, "")}/${key}`;
      const command = new GetObjectCommand({
        Bucket: bucket,
        Key: key,
        ResponseContentDisposition: `inline; filename="${key}"`,
      });
      return call(1, () => getSignedUrl(client, command, { expiresIn: ttlSeconds }));
    },

    async check() {
      await call(1, (abortSignal) => client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal }));
    },
  };
}

function clientConfig(
  { endpoint, region }: S3DocumentsOptions,
  { connectMs, requestMs }: typeof TIMEOUTS,
): S3ClientConfig {
  const common: S3ClientConfig = {
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: {
      connectionTimeout: connectMs,
      requestTimeout: requestMs,
      // Without this the SDK only logs a warning.
      throwOnRequestTimeout: true,
      socketTimeout: requestMs,
    },
    ...(region === undefined ? {} : { region }),
  };
  if (endpoint === undefined) return common;
  const { config: found } = new S3Client({});
  return {
    // Other stores seldom care, yet a signature needs one.
    region: () => found.region().catch(() => "us-east-1"),
    ...common,
    endpoint,
    forcePathStyle: true,
    // Amazon's newer checksums are unknown to many other stores.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  };
}
