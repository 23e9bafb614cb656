/**
 * What the page does besides being read: another moment of the topology, values under the pointer, light or dark. Plain
 * JavaScript for browsers; it writes texts, never HTML, and keeps nothing.
 */
export const pageScript = String.raw`
'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId('data').textContent);
  for (const part of document.querySelectorAll('[data-script]')) part.hidden = false;

  const theme = byId('theme');
  const prefersDark = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (document.documentElement.dataset.theme || (prefersDark.matches ? 'dark' : 'light')) === 'dark';
  const nameTheme = () => {
    theme.textContent = isDark() ? 'Light colours' : 'Dark colours';
  };
  theme.addEventListener('click', () => {
    document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
    nameTheme();
  });
  prefersDark.addEventListener('change', nameTheme);
  nameTheme();

  const { left, right, width, durationMs } = data.plot;
  const charts = data.charts.flatMap((chart) => {
    const figure = byId(chart.id);
    if (figure === null) return [];
    const outputs = [...figure.querySelectorAll('[data-value]')];
    return [{ ...chart, figure, outputs, ends: outputs.map((each) => each.textContent), cursor: figure.querySelector('.cursor') }];
  });
  const timeText = (ms) => {
    if (ms < 1000) return Math.round(ms) + ' ms';
    if (ms < 60000) return Math.round(ms / 100) / 10 + ' s';
    const seconds = Math.round(ms / 1000);
    return Math.floor(seconds / 60) + ' min ' + (seconds % 60) + ' s';
  };
  const showCursor = (ms) => {
    const x = left + (Math.min(ms, durationMs) / durationMs) * (width - left - right);
    for (const { cursor } of charts) {
      cursor.setAttribute('transform', 'translate(' + x.toFixed(1) + ' 0)');
      cursor.classList.add('shown');
    }
  };
  const nearest = (ms) => {
    let best = 0;
    data.times.forEach((time, place) => {
      if (Math.abs(time - ms) < Math.abs(data.times[best] - ms)) best = place;
    });
    return best;
  };
  const tell = (place) => {
    for (const { outputs, series, unit, figure } of charts) {
      outputs.forEach((output, line) => {
        const value = series[line][place];
        output.textContent = value === null || value === undefined ? '–' : value + (unit ? ' ' + unit : '');
      });
      figure.dataset.at = 'at ' + timeText(data.times[place]);
    }
  };
  const untell = () => {
    for (const { outputs, ends, figure, cursor } of charts) {
      outputs.forEach((output, line) => { output.textContent = ends[line]; });
      delete figure.dataset.at;
      cursor.classList.remove('shown');
    }
  };
  for (const { figure } of charts) {
    const plot = figure.querySelector('.plot');
    const point = (event) => {
      const box = plot.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * width;
      const place = nearest(((x - left) / (width - left - right)) * durationMs);
      showCursor(data.times[place]);
      tell(place);
    };
    plot.addEventListener('pointermove', point);
    plot.addEventListener('pointerdown', point);
    plot.addEventListener('pointerleave', untell);
  }

  const topology = data.topology;
  if (topology === undefined) return;
  const { frames, places, maxLines } = topology;
  const play = byId('play');
  const moment = byId('moment');
  const network = byId('network');
  const nodes = [...network.querySelectorAll('.node')];
  const linksPath = network.querySelector('.links');
  const words = [...byId('say').children];
  const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const has = (bytes, place) => ((bytes[place >> 3] >> (place & 7)) & 1) === 1;
  const show = () => {
    const frame = frames[Number(moment.value)];
    const up = bytesOf(frame.up);
    nodes.forEach((node, place) => node.classList.toggle('up', has(up, place)));
    const bits = bytesOf(frame.links);
    const lines = [];
    let pair = 0;
    for (let a = 0; a < places.length; a += 1) {
      for (let b = a + 1; b < places.length; b += 1, pair += 1) {
        if (has(bits, pair)) lines.push('M' + places[a].join(' ') + 'L' + places[b].join(' '));
      }
    }
    const step = Math.max(1, Math.ceil(lines.length / maxLines));
    linksPath.setAttribute('d', lines.filter((_, place) => place % step === 0).join(''));
    frame.say.forEach((text, place) => { words[place].textContent = text; });
    moment.setAttribute('aria-valuetext', frame.say.join('. '));
    showCursor(frame.t);
  };
  let timer;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    play.textContent = 'Play';
  };
  const step = () => {
    const next = Number(moment.value) + 1;
    if (next >= frames.length) return stop();
    moment.value = String(next);
    show();
  };
  const toggle = () => {
    if (timer !== undefined) return stop();
    if (Number(moment.value) >= frames.length - 1) {
      moment.value = '0';
      show();
    }
    play.textContent = 'Pause';
    // Pictures that jump are hard on those who asked for little motion: they get a second for each.
    timer = setInterval(step, matchMedia('(prefers-reduced-motion: reduce)').matches ? 1000 : 250);
  };
  play.addEventListener('click', toggle);
  moment.addEventListener('input', () => {
    stop();
    show();
  });
  moment.addEventListener('keydown', (event) => {
    if (event.key !== ' ') return;
    event.preventDefault();
    toggle();
  });
  moment.value = String(topology.at);
})();
`;
