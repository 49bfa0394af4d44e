-- What the stages of a history count, the run or the source and date counts, and no stage hangs in the air. Histories
-- count up and stages count down, so that one pass over both is enough.
{%- set measures = ['error_count', 'retry_count', 'restart_count'] -%}
{%- set at_run_level = 'cast(null as ' ~ dbt.type_string() ~ ') as source, cast(null as date) as date_stamp' -%}
{%- set changed = 'run_id in (select run_id from ' ~ ref('int_judged_runs') ~ ')' %}

with floors as (

    select run_id, {{ at_run_level }}, 1 as row_count, {{ measures | join(', ') }}
    from {{ ref('fct_runs') }}
    where {{ changed }}

    union all

    select run_id, source, date_stamp, 1 as row_count, {{ measures | join(', ') }}
    from {{ ref('fct_source_dates') }}
    where {{ changed }}

    union all

    select run_id, {{ at_run_level }}, 0 as row_count, -{{ measures | join(', -') }}
    from {{ ref('fct_run_stages') }}
    where {{ changed }}

    union all

    select run_id, source, date_stamp, 0 as row_count, -{{ measures | join(', -') }}
    from {{ ref('fct_source_date_stages') }}
    where {{ changed }}

)

select run_id, source, date_stamp
from floors
group by run_id, source, date_stamp
having
    sum(row_count) <> 1
    {%- for measure in measures %}
    or sum({{ measure }}) <> 0
    {%- endfor %}
