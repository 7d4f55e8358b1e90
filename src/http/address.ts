import { BlockList, isIP } from "node:net";

/** Finds the caller behind trusted proxies: (peer's address, X-Forwarded-For) -> address. */
export type AddressOf = (peer: string, forwardedFor: string | null) => string;

/** Without trusted proxies the header is never looked at. Throws on what is no address or CIDR. */
export function createAddressOf(trusted: readonly string[]): AddressOf {
  if (trusted.length === 0) return (peer) => plain(peer);
  const proxies = new BlockList();
  for (const entry of trusted) addRange(proxies, entry);
  const isTrusted = (address: string) => proxies.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");

  return function behindProxies(peer, forwardedFor) {
    let address = plain(peer);
    // Each proxy appends whom it heard; from the right, the first that is no proxy of ours is the caller.
    const hops = (forwardedFor ?? "").split(",").map((hop) => plain(hop.trim()));
    while (isIP(address) !== 0 && isTrusted(address)) {
      const hop = hops.pop();
      if (hop === undefined || isIP(hop) === 0) break;
      address = hop;
    }
    return address;
  };
}

function addRange(list: BlockList, entry: string): void {
  const [network = "", bits] = entry.split("/");
  const family = isIP(network);
  const most = family === 6 ? 128 : 32;
  const prefix = bits === undefined ? most : Number(bits);
  if (family === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > most) {
    throw new Error(`TRUST_PROXY: "${entry}" is neither an address nor a CIDR`);
  }
  list.addSubnet(network, prefix, family === 6 ? "ipv6" : "ipv4");
}

/** An IPv4 address that came over an IPv6 socket, as IPv4. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");

/** What limits count by: an IPv4 address, or the /64 that an IPv6 customer has all of. */
export function network(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail] = address.split("%")[0]?.split("::") ?? [];
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(8 - left.length - right.length, 0);
  const groups = [...left, ...Array.from({ length: zeros }, () => "0"), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}
