/** Addresses and networks of a manifest, compiled once, and the question whether a peer is one of them. */
import { BlockList, isIPv4, isIPv6 } from "node:net";

/** Addresses and networks. Throws what node:net throws for what is neither. */
export class Networks {
  readonly #list: BlockList | undefined;
  /** Connections stay: the same address asks again and again. */
  #lastAddress = "";
  #last = false;

  constructor(networks: readonly string[]) {
    if (networks.length === 0) return;
    this.#list = new BlockList();
    for (const network of networks) {
      const [address, bits] = network.split("/") as [string, string?];
      const family = address.includes(":") ? "ipv6" : "ipv4";
      if (bits === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(bits), family);
    }
  }

  /** Whether `address`, as {@link plainAddress} writes it, is one of them; never true of a peer without address. */
  has(address: string): boolean {
    if (!this.#list) return false;
    if (address === this.#lastAddress) return this.#last;
    this.#lastAddress = address;
    const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : undefined;
    return this.#last = family !== undefined && this.#list.check(address, family);
  }
}

/** A peer's address without zone, and as IPv4 where it is one in the clothes of IPv6 (`::ffff:10.0.0.1`). */
export function plainAddress(address: string): string {
  if (!address.includes(":")) return address;
  const zone = address.indexOf("%");
  const bare = zone < 0 ? address : address.slice(0, zone);
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(bare) ? bare.slice(7) : bare;
}
