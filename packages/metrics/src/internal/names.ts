/** How much of a label's value is kept, in characters. */
const maxValueLength = 256;

/** A name as Prometheus takes it: what it does not take becomes `_`, several of these one. */
export function toName(text: string): string {
  const name = text.replaceAll(/\W/g, '_').replaceAll(/_+/g, '_');
  return /^\d/.test(name) ? `_${name}` : name;
}

/** A label's value, of a length that figures can bear. Absent is empty. */
export const toLabelValue = (value: string | undefined): string =>
  String(value ?? '')
    .slice(0, maxValueLength)
    .toWellFormed();
