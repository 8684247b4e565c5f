/** SRS answers 200 also when it refuses; `code` of the document says which (facts/srs.md 3.1). */
export function isAccepted({
  status,
  body,
}: {
  readonly status: number;
  readonly body: string | null;
}): boolean {
  if (status !== 200 || body === null) return false;
  try {
    return JSON.parse(body)?.code === 0;
  } catch {
    return false;
  }
}
