/** Looks at every picture of a video element and reads the clock in it. */
import {
  CLOCK_COLUMNS,
  CLOCK_HEIGHT,
  CLOCK_ROWS,
  CLOCK_TOP,
  decodeClock,
} from '../../../protocols/picture/clock-code.ts';
import type { Picture } from '../record.ts';

/** A cell of the clock is scaled to so many pixels, of which the inner ones are looked at. */
const CELL = 8;
const INNER = 2;

/** Weights of red, green and blue (ITU-R BT.709-6 3.2). */
const LUMA = [0.2126, 0.7152, 0.0722] as const;

export class PictureWatch {
  readonly pictures: Picture[] = [];
  readonly first: Promise<void>;
  #seen = (): void => {};
  readonly #video: HTMLVideoElement;
  readonly #arrived: () => number;
  readonly #context: CanvasRenderingContext2D;

  /** @param arrived frames that have come, shown or not. */
  constructor(video: HTMLVideoElement, arrived: () => number) {
    this.#video = video;
    this.#arrived = arrived;
    const canvas = new OffscreenCanvas(CLOCK_COLUMNS * CELL, CLOCK_ROWS * CELL);
    this.#context = canvas.getContext('2d', {
      willReadFrequently: true,
      alpha: false,
    }) as unknown as CanvasRenderingContext2D;
    this.first = new Promise((resolve) => {
      this.#seen = resolve;
    });
    this.#next();
  }

  #next(): void {
    this.#video.requestVideoFrameCallback((_, { expectedDisplayTime, presentedFrames }) => {
      this.#next();
      this.pictures.push({
        number: this.#number(),
        shownAt: performance.timeOrigin + expectedDisplayTime,
        presented: presentedFrames,
        arrived: this.#arrived(),
      });
      this.#seen();
    });
  }

  #number(): number | null {
    const { videoWidth, videoHeight } = this.#video;
    const width = CLOCK_COLUMNS * CELL;
    const height = CLOCK_ROWS * CELL;
    this.#context.drawImage(
      this.#video,
      ...([0, videoHeight * CLOCK_TOP, videoWidth, videoHeight * CLOCK_HEIGHT] as const),
      ...([0, 0, width, height] as const),
    );
    const { data } = this.#context.getImageData(0, 0, width, height);
    const cells = Array.from({ length: CLOCK_COLUMNS * CLOCK_ROWS }, (_, cell) =>
      lumaOf(data, width, (cell % CLOCK_COLUMNS) * CELL, Math.floor(cell / CLOCK_COLUMNS) * CELL),
    );
    return decodeClock(cells) ?? null;
  }
}

/** Mean of the inner pixels of the cell that begins at x, y. */
function lumaOf(data: Uint8ClampedArray, width: number, x: number, y: number): number {
  let sum = 0;
  let count = 0;
  for (let row = y + INNER; row < y + CELL - INNER; row++) {
    for (let column = x + INNER; column < x + CELL - INNER; column++) {
      const at = (row * width + column) * 4;
      for (const [channel, weight] of LUMA.entries()) sum += data[at + channel]! * weight;
      count++;
    }
  }
  return sum / count;
}
