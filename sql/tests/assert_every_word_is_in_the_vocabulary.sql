-- Queries filter by these words: one that no page documents would be filtered away unseen.
{%- set outcomes = ['succeeded', 'failed', 'in_progress', 'stalled'] -%}
{%- set vocabulary = {
    'fct_runs': {'outcome': outcomes, 'effective_outcome': outcomes + ['partial']},
    'fct_run_stages': {'outcome': ['complete', 'error', 'running']},
    'fct_source_date_stages': {'outcome': ['complete', 'error', 'running']},
    'fct_stage_attempts': {
        'level': ['run', 'source_date'],
        'kind': ['first', 'retry', 'rerun', 'unopened'],
        'outcome': ['complete', 'error', 'running'],
    },
    'fct_source_dates': {'outcome': outcomes},
    'dq_findings': {'finding': [
        'unknown_status', 'level_mismatch', 'unrequested_date', 'clock_disorder', 'empty_history',
        'latest_status_mismatch', 'contract_drift', 'implausible_time', 'unmatched_report_source', 'empty_load',
        'volume_drop',
    ]},
} %}

{%- for mart, columns in vocabulary.items() %}

select
    '{{ mart }}' as mart,
    run_id
from {{ ref(mart) }}
where
    run_id in ({{ built_runs() }})
    and (
        {%- for column, words in columns.items() %}
        {{ 'or ' if not loop.first }}{{ column }} not in ('{{ words | join("', '") }}')
        {%- endfor %}
    )
{{ 'union all' if not loop.last }}
{%- endfor %}
