/** The runs do not belong together, or cannot be added: nothing is written. */
export class MergeError extends Error {
  override readonly name = 'MergeError';
}
