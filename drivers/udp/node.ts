/** Sockets of node:dgram, where there is nothing better, and for IPv6: a system call and a callback for each datagram. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type {
  DatagramOptions,
  DatagramReceiver,
  DatagramSocket,
  Endpoint,
  OpenDatagramSocket,
} from './contract.ts';

export const openNodeSocket: OpenDatagramSocket = (options, receiver) => new NodeSocket(options, receiver);

function ignore(): void {}

class NodeSocket implements DatagramSocket {
  readonly #socket: Socket;
  readonly #receiver: DatagramReceiver;
  readonly #isConnected: boolean;
  #peer: Endpoint = { address: '', port: 0 };
  #isOpen = true;

  constructor({ localAddress, connectTo, receiveBufferBytes }: DatagramOptions, receiver: DatagramReceiver) {
    this.#receiver = receiver;
    const type = isIPv6(connectTo?.address ?? localAddress ?? '') ? 'udp6' : 'udp4';
    const family = type === 'udp6' ? 6 : 4;
    // Addresses are literals: without the resolver, binding, connecting and sending are done when the call returns.
    const lookup = (
      host: string,
      _options: unknown,
      done: (error: Error | null, address: string, family: number) => void,
    ): void => done(null, host, family);
    let failure: NodeJS.ErrnoException | undefined;
    this.#socket = createSocket({ type, lookup: lookup as never });
    const onEarlyError = (error: NodeJS.ErrnoException): void => {
      failure ??= error;
    };
    this.#socket.on('error', onEarlyError);
    this.#socket.bind({ port: 0, ...(localAddress === undefined ? {} : { address: localAddress }) });
    if (failure !== undefined) throw failure;
    try {
      this.#socket.setRecvBufferSize(receiveBufferBytes);
    } catch {
      // What the system gives will do.
    }
    this.#isConnected = connectTo !== undefined;
    if (connectTo !== undefined) this.#socket.connect(connectTo.port, connectTo.address);
    this.#socket.off('error', onEarlyError);
    if (failure !== undefined) throw failure;
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(error));
    this.#socket.on('message', (bytes, remote) => this.#received(bytes, remote));
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get receiveBufferBytes(): number {
    return this.#socket.getRecvBufferSize();
  }

  send(bytes: Uint8Array, to?: Endpoint): void {
    if (!this.#isOpen) return;
    // What the system does not take at once is sent a little later, when `bytes` may be others.
    const copy = Buffer.from(bytes);
    // The callback takes what the system has against one datagram; of a socket that is connected, the receiver is told.
    if (this.#isConnected) this.#socket.send(copy, (error) => error && this.#failed(error));
    else if (to !== undefined) this.#socket.send(copy, to.port, to.address, ignore);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#socket.close();
  }

  #received(bytes: Uint8Array, { address, port }: RemoteInfo): void {
    if (!this.#isOpen) return;
    if (port !== this.#peer.port || address !== this.#peer.address) this.#peer = { address, port };
    this.#receiver.onDatagram(bytes, this.#peer, performance.now());
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (this.#isOpen) this.#receiver.onError(error);
  }
}
