/** The script of the page: it plays what it is asked to, and keeps a record of what it shows. */
import type { Complaint, PageApi, PageRecord, PlayRequest, Span } from '../record.ts';
import { PictureWatch } from './pictures.ts';
import { type PagePlayer, PLAYERS } from './players.ts';

/** Between two frames of the page, which come 60 times a second: more is a hold-up. */
const HELD_UP_MS = 100;

const now = (): number => performance.timeOrigin + performance.now();

class Page implements PageApi {
  readonly #video = document.querySelector('video')!;
  readonly #watch = new PictureWatch(
    this.#video,
    () => this.#player?.framesReceived ?? this.#video.getVideoPlaybackQuality().totalVideoFrames,
  );
  readonly #complaints: Complaint[] = [];
  readonly #waits: number[] = [];
  readonly #heldUp: Span[] = [];
  #hidden = document.visibilityState === 'hidden';
  #startedAt = Number.NaN;
  #player: PagePlayer | undefined;

  now = now;

  start({ protocol, url }: PlayRequest): void {
    const video = this.#video;
    this.#startedAt = now();
    this.#watchItself();
    video.addEventListener('waiting', () => {
      if (this.#watch.pictures.length > 0) this.#waits.push(now());
    });
    video.addEventListener('error', () =>
      this.#complain({ code: 'video.error', detail: video.error?.message ?? '' }),
    );
    try {
      this.#player = PLAYERS[protocol](video, url, (complaint) => this.#complain(complaint));
    } catch (error) {
      this.#complain({ code: 'player.open', detail: String(error) });
    }
    video.play().catch((error: Error) => this.#complain({ code: 'video.play', detail: error.message }));
  }

  async shows(withinMs: number): Promise<boolean> {
    const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), withinMs));
    return Promise.race([this.#watch.first.then(() => true), late]);
  }

  async record(): Promise<PageRecord> {
    const video = this.#video;
    const rtc = (await this.#player?.stats()) ?? null;
    return {
      origin: location.origin,
      startedAt: this.#startedAt,
      endedAt: now(),
      pictures: this.#watch.pictures,
      size: video.videoWidth === 0 ? null : { width: video.videoWidth, height: video.videoHeight },
      waits: this.#waits,
      heldUp: this.#heldUp,
      hidden: this.#hidden,
      complaints: this.#complaints,
      rtc,
    };
  }

  async stop(): Promise<void> {
    await this.#player?.close();
  }

  #complain(complaint: Complaint): void {
    this.#complaints.push(complaint);
  }

  #watchItself(): void {
    document.addEventListener('visibilitychange', () => {
      this.#hidden ||= document.visibilityState === 'hidden';
    });
    let last = now();
    const frame = (): void => {
      const at = now();
      if (at - last > HELD_UP_MS) this.#heldUp.push({ from: last, to: at });
      last = at;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }
}

Object.assign(window, { liveproof: new Page() });
