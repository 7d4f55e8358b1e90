/** The address, normalised. The driver's own complaint would repeat it with its password. */
export function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== "amqp:" && url?.protocol !== "amqps:") {
    throw new TypeError("the address of RabbitMQ must look like amqp://user:password@host:5672/vhost");
  }
  return url.href;
}
