/** The way from the origin to one player: a tap, with what can be injected there. */
import { TcpTap } from '../../lab/taps/tcp-tap.ts';
import { UdpTap } from '../../lab/taps/udp-tap.ts';
import type { TruthProtocol } from './rows.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** A link that holds its bytes does so for longer than any run. */
const HELD_MS = 3_600_000;

export class Link {
  readonly target: Address;
  readonly #tap: TcpTap | UdpTap;
  #release: (() => void) | undefined;

  private constructor(tap: TcpTap | UdpTap, target: Address) {
    this.#tap = tap;
    this.target = target;
  }

  static async open(protocol: TruthProtocol, target: Address): Promise<Link> {
    const ends = { from: 'player', to: 'origin', listen: { host: target.host, port: 0 }, target };
    const tap = isUdp(protocol) ? new UdpTap(ends) : new TcpTap(ends);
    await tap.listen();
    return new Link(tap, target);
  }

  /** Where the player connects to. */
  get address(): Address {
    return this.#tap.address;
  }

  /** What goes to the player takes longer by `ms`. */
  delay(ms: number): void {
    if (this.#tap instanceof UdpTap) this.#tap.setFaults('downstream', { delay: ms });
    else this.#tap.addToxic('downstream', { type: 'latency', latency: ms });
  }

  /** UDP: a share of the datagrams to the player for which `only` holds is lost, until `mend`. */
  lose(share: number, only: (datagram: Uint8Array) => boolean): void {
    this.#udp.setFaults('downstream', { loss: share, only });
  }

  mend(): void {
    this.#udp.setFaults('downstream', {});
  }

  /** UDP: so many datagrams were lost by `lose`. */
  get lost(): number {
    return this.#udp.counts('downstream').lost;
  }

  /** Nothing comes to the player until `restore`. Over TCP it comes then, all at once; over UDP it is lost, both ways. */
  cut(): void {
    if (this.#tap instanceof UdpTap) this.#tap.cut();
    else this.#release = this.#tap.addToxic('downstream', { type: 'latency', latency: HELD_MS });
  }

  restore(): void {
    if (this.#tap instanceof UdpTap) this.#tap.restore();
    else this.#release?.();
  }

  async close(): Promise<void> {
    await this.#tap.close();
  }

  get #udp(): UdpTap {
    if (!(this.#tap instanceof UdpTap)) throw new Error('TCP loses nothing');
    return this.#tap;
  }
}

export function isUdp(protocol: TruthProtocol): boolean {
  return protocol === 'srt' || protocol.startsWith('whep');
}
