-- Joins on the documented keys must not multiply rows.
{%- set keys = {
    'fct_runs': 'run_id',
    'fct_run_stages': 'run_id, stage',
    'fct_source_date_stages': 'run_id, source, date_stamp, stage',
    'fct_stage_attempts': 'level, run_id, source, date_stamp, stage, attempt_number',
    'fct_source_dates': 'run_id, source, date_stamp',
    'dq_findings': 'finding, run_id, source, date_stamp, detail',
} %}

{%- for mart, key in keys.items() %}

select
    '{{ mart }}' as mart,
    run_id,
    count(*) as row_count
from {{ ref(mart) }}
where run_id in ({{ built_runs() }})
group by {{ key }}
having count(*) > 1
{{ 'union all' if not loop.last }}
{%- endfor %}
