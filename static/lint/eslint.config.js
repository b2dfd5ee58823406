// What ESLint looks for in the scripts of pages and of the phone app (make lint).

import js from '@eslint/js'
import globals from 'globals'

export default [
  { ignores: ['app/zxing/', 'test/fake-indexeddb/', 'app/sw.js'] }, // of others; made
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'array-callback-return': 'error',
      'default-case-last': 'error',
      eqeqeq: 'error',
      'no-duplicate-imports': 'error',
      'no-eval': 'error',
      'no-extend-native': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-restricted-globals': ['error', 'event', 'name', 'status', 'length', 'parent', 'top', 'close', 'closed', 'find', 'origin'],
      'no-return-assign': 'error',
      'no-script-url': 'error',
      'no-self-compare': 'error',
      'no-shadow': ['error', { hoist: 'all' }],
      'no-template-curly-in-string': 'error',
      'no-throw-literal': 'error',
      'no-unreachable-loop': 'error',
      'no-unused-expressions': ['error', { allowTernary: true }],
      'no-unused-vars': ['error', { args: 'all', argsIgnorePattern: '^_$', caughtErrors: 'all' }],
      'no-use-before-define': ['error', { functions: false, variables: false }],
      'no-useless-return': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'prefer-object-has-own': 'error',
      'prefer-promise-reject-errors': 'error',
      radix: 'error',
      semi: ['error', 'never'],
      strict: ['error', 'never'],
    },
  },
  { files: ['app/*.js', 'js/*.js'], ignores: ['app/worker.js', 'app/decode-worker.js'], languageOptions: { globals: globals.browser } },
  {
    files: ['app/worker.js'],
    languageOptions: { globals: { ...globals.serviceworker, look: 'readonly', extras: 'readonly', version: 'readonly', files: 'readonly' } },
  },
  { files: ['app/decode-worker.js'], languageOptions: { globals: globals.worker } },
  { files: ['test/*.js'], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
]
