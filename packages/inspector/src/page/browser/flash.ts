/** Runs in the browser: draws the eye to parts of a picture for a moment. */
export function flash(parts: readonly Element[]): void {
  for (const part of parts) {
    part.classList.remove('flash');
    // Only a style that was computed without the class makes its animation begin anew.
    part.getBoundingClientRect();
    part.classList.add('flash');
    part.addEventListener('animationend', () => part.classList.remove('flash'), { once: true });
  }
}
