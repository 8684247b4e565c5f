/** What SRT players and publishers do alike: call, become connected, close. */
import { ProtocolError } from '../../protocols/errors.ts';
import type { SrtClosure, SrtConnection } from '../../protocols/srt/connection.ts';
import type { SrtFigures } from '../../protocols/srt/figures.ts';
import { type ClientObserver, type ClientOptions, ClientState, CloseReason } from '../client.ts';
import { LifecycleClient, TIMEOUT_MS } from '../lifecycle.ts';
import { wallClock } from '../measure/clock.ts';
import { nodeCrypto } from './crypto.ts';
import { type SrtSnapshot, srtSnapshot } from './figures.ts';
import { call, type SrtCall, type SrtCallerEvents } from './multiplexer.ts';
import { parseSrtUrl, type SrtMode } from './url.ts';

/** What libsrt's tools do without a latency. */
const DEFAULT_LATENCY_MS = 120;

export abstract class SrtClient extends LifecycleClient implements SrtCallerEvents {
  protected call: SrtCall | undefined = undefined;
  private readonly mode: SrtMode;
  private figures: SrtSnapshot | undefined = undefined;
  private bytes = 0;

  constructor(url: string, mode: SrtMode, options?: ClientOptions, observer?: ClientObserver) {
    super(url, options, observer);
    this.mode = mode;
  }

  /** Bytes of datagrams, SRT headers and control packets included. */
  override get bytesIn(): number {
    return this.call?.bytesIn ?? this.bytes;
  }

  /** undefined before `open`; the last ones after the end. */
  get srt(): SrtSnapshot | undefined {
    return this.call === undefined ? this.figures : srtSnapshot(this.call.connection);
  }

  /** Those of `srt`, not copied: they go on counting. For whoever looks at a thousand clients every second. */
  get counters(): Readonly<SrtFigures> | undefined {
    return this.call === undefined ? this.figures : this.call.connection.figures;
  }

  /** In ms; NaN as long as it is not known, the last one after the end. */
  get roundTripMs(): number {
    if (this.call === undefined) return this.figures?.rtt ?? Number.NaN;
    const { roundTrip } = this.call.connection;
    return roundTrip.known ? roundTrip.rtt : Number.NaN;
  }

  /** Latency that was agreed on with the server, in ms: to us and from us. undefined until connected. */
  get latency(): { readonly receive: number; readonly send: number } | undefined {
    const agreement = this.call?.connection.agreement;
    return agreement && { receive: agreement.receiveLatencyMs, send: agreement.sendLatencyMs };
  }

  protected override start(): void {
    this.enter(ClientState.connecting);
    if (this.state !== ClientState.connecting) return;
    try {
      const url = parseSrtUrl(this.url, this.mode);
      this.call = call(
        { host: url.host, port: url.port, localAddress: this.options.localAddress },
        {
          streamId: url.streamId,
          latencyMs: url.latencyMs ?? DEFAULT_LATENCY_MS,
          peerLatencyMs: url.latencyMs ?? 0,
          passphrase: url.passphrase,
          keyBytes: url.keyBytes,
          crypto: nodeCrypto,
          connectTimeoutMs: url.connectTimeoutMs ?? this.options.timeoutMs ?? TIMEOUT_MS,
          ...(url.peerIdleTimeoutMs === undefined ? {} : { peerIdleTimeoutMs: url.peerIdleTimeoutMs }),
        },
        this,
        this.options.tape,
      );
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.fail(CloseReason.protocol, error.code, error.message);
    }
  }

  protected override release(): void {
    const { call } = this;
    if (call === undefined) return;
    call.connection.close(performance.now());
    this.figures = srtSnapshot(call.connection);
    this.bytes = call.bytesIn;
    this.call = undefined;
    call.release();
  }

  onOpened(): void {
    this.timing.tcp = wallClock.now();
    this.enter(ClientState.handshaking);
  }

  onConnected(_connection: SrtConnection): void {
    const now = wallClock.now();
    this.timing.handshake = now;
    this.timing.connect = now;
    this.timing.play = now;
    this.enter(ClientState.streaming);
  }

  onClosed(_connection: SrtConnection, closure: SrtClosure): void {
    this.fail(reasonOf(closure), closure.code, closure.detail);
  }

  onSocketError(_connection: SrtConnection, error: NodeJS.ErrnoException): void {
    const code = `udp.${(error.code ?? 'failed').toLowerCase()}`;
    const streaming = this.state === ClientState.streaming;
    this.fail(streaming ? CloseReason.reset : CloseReason.refused, code, error.message);
  }
}

function reasonOf({ code, reason }: SrtClosure): CloseReason {
  if (reason !== undefined) return CloseReason.rejected;
  switch (code) {
    case 'srt.local':
      return CloseReason.local;
    case 'srt.shutdown':
      return CloseReason.remote;
    default:
      return CloseReason.timeout;
  }
}
