/** UDP sockets as the drivers of SRT and WebRTC need them: thousands of them in a process, many datagrams at a time. */

/** Literal address and port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface DatagramReceiver {
  /**
   * One datagram. `bytes` may be changed, but are not kept: the next one is written over them. `from` is the same object
   * for datagrams in a row of one peer. `at` is when it came, on the clock of `performance.now()`.
   */
  onDatagram(bytes: Uint8Array, from: Endpoint, at: number): void;
  /** What the network says of a datagram that was sent before, as that nobody listens there (ICMP). */
  onError(error: NodeJS.ErrnoException): void;
}

export interface DatagramOptions {
  /** Literal; all interfaces when left out. */
  readonly localAddress?: string;
  /** Literal: datagrams go there without being told, and come from there only. */
  readonly connectTo?: Endpoint;
  /** Asked for; the system grants what it is set to (net.core.rmem_max). */
  readonly receiveBufferBytes: number;
}

export interface DatagramSocket {
  /** That it is bound to. */
  readonly port: number;
  /** As much as the system has granted, in bytes of its own accounting. */
  readonly receiveBufferBytes: number;
  /**
   * Takes a copy, and sends it before this turn of the event loop is over, with what else was sent in it. What the system
   * does not take is lost, as any datagram may be.
   *
   * @param to where to; left out for a socket that is connected.
   */
  send(bytes: Uint8Array, to?: Endpoint): void;
  /** What was sent before leaves. Idempotent. */
  close(): void;
}

/** Throws what the system says, with its `code`, as for an address that is not of this machine. */
export type OpenDatagramSocket = (options: DatagramOptions, receiver: DatagramReceiver) => DatagramSocket;
