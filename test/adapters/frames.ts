/** Frames as a broker sends them (AMQP 0-9-1, 2.3.5), to be injected into a connection. */

/** Closes one channel. */
export function channelClose(channel: number, code: number, text: string): Uint8Array {
  const reply = Buffer.alloc(2);
  reply.writeUInt16BE(code);
  return method(channel, 20, 40, Buffer.concat([reply, shortString(text), Buffer.alloc(4)]));
}

/** Cancels a consumer, as when its queue is deleted. */
export const consumerCancel = (channel: number, tag: string): Uint8Array =>
  method(channel, 60, 30, Buffer.concat([shortString(tag), Buffer.from([1])]));

/** RabbitMQ's extension: it takes no more messages, for lack of memory or disk. */
export const connectionBlocked = (reason: string): Uint8Array => method(0, 10, 60, shortString(reason));

export const connectionUnblocked = (): Uint8Array => method(0, 10, 61, Buffer.alloc(0));

function method(channel: number, classId: number, methodId: number, fields: Buffer): Uint8Array {
  const head = Buffer.alloc(11);
  head.writeUInt8(1, 0);
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(4 + fields.length, 3);
  head.writeUInt16BE(classId, 7);
  head.writeUInt16BE(methodId, 9);
  return Buffer.concat([head, fields, Buffer.from([0xce])]);
}

function shortString(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, "latin1")]);
}
