export { h, render, Fragment, createContext, cloneElement } from "preact";
export type { ComponentChildren, VNode, JSX, FunctionComponent, RefObject as Ref } from "preact";
export { useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext, useId, useErrorBoundary } from "preact/hooks";
export { signal, computed, effect, batch, untracked, useSignal, useComputed, useSignalEffect } from "@preact/signals";
export type { Signal, ReadonlySignal } from "@preact/signals";
export { html } from "htm/preact";
export { get, set, del, keys, entries, clear, createStore, getMany, setMany } from "idb-keyval";
