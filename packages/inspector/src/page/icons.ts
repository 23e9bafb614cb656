const icon = (path: string): string =>
  `<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="${path}"/></svg>`;

/** Signs on buttons. */
export const icons = {
  first: icon('M4 3v10M12.5 3.5 6.5 8l6 4.5z'),
  back: icon('M11 3.5 5 8l6 4.5z'),
  play: `${icon('M5 3l8 5-8 5z').replace('icon', 'icon toPlay')}${icon('M5.5 3v10M10.5 3v10').replace('icon', 'icon toPause')}`,
  forward: icon('M5 3.5 11 8l-6 4.5z'),
  last: icon('M12 3v10M3.5 3.5 9.5 8l-6 4.5z'),
} as const;
