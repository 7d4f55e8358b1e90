import { connect, createServer, type Server, type Socket } from "node:net";

/** Stands between a client and a broker and does to the connection what networks do. */
export type BrokerProxy = {
  readonly port: number;
  /** Connections that stand now stay open and carry nothing any more. */
  freeze(direction?: "both" | "toClient"): void;
  /** As a peer that does not read: what comes in this direction waits until `release`, and nothing is lost. */
  hold(direction: "toBroker" | "toClient"): void;
  release(): void;
  /** Cuts the connections that stand now. */
  cut(): void;
  /** Sends bytes to the clients as if they came from the broker. */
  inject(bytes: Uint8Array): void;
  /** Cuts, and refuses new connections until `open`. */
  shut(): Promise<void>;
  open(): Promise<void>;
};

type Pair = { readonly client: Socket; readonly broker: Socket; toClient: boolean; toBroker: boolean };

export async function startProxy(target: number, opened = true): Promise<BrokerProxy> {
  const pairs = new Set<Pair>();
  let port = 0;
  let server: Server | undefined;

  function accept(client: Socket): void {
    const broker = connect({ host: "127.0.0.1", port: target });
    const pair = { client, broker, toClient: true, toBroker: true };
    pairs.add(pair);
    client.on("data", (bytes) => pair.toBroker && broker.write(bytes));
    broker.on("data", (bytes) => pair.toClient && client.write(bytes));
    const end = () => {
      client.destroy();
      broker.destroy();
      pairs.delete(pair);
    };
    for (const socket of [client, broker]) socket.on("error", end).on("close", end);
  }

  function cut(): void {
    for (const { client } of pairs) client.destroy();
  }

  const proxy: BrokerProxy = {
    get port() {
      return port;
    },
    freeze(direction = "both") {
      for (const pair of pairs) {
        pair.toClient = false;
        if (direction === "both") pair.toBroker = false;
      }
    },
    hold(direction) {
      for (const pair of pairs) (direction === "toBroker" ? pair.client : pair.broker).pause();
    },
    release() {
      for (const pair of pairs) {
        pair.client.resume();
        pair.broker.resume();
      }
    },
    cut,
    inject(bytes) {
      for (const { client } of pairs) client.write(bytes);
    },
    async shut() {
      const closing = server;
      server = undefined;
      const closed = new Promise((done) => (closing === undefined ? done(undefined) : closing.close(done)));
      cut();
      await closed;
    },
    async open() {
      const opening = createServer(accept);
      server = opening;
      await new Promise<void>((done, reject) => {
        opening.once("error", reject).listen(port, "127.0.0.1", done);
      });
      const address = opening.address();
      if (typeof address === "object" && address !== null) port = address.port;
    },
  };
  await proxy.open();
  if (!opened) await proxy.shut();
  return proxy;
}
