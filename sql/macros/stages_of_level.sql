{# One row per history × stage, from its attempts: defined once, read by both levels. `history` names the columns
   that tell this level's histories apart. #}
{% macro stages_of_level(level, history) -%}
{%- set keys = history | join(', ') -%}

with attempts as (

    select * from {{ ref('int_stage_attempts') }}
    where
        level = '{{ level }}'
        and is_known_phase
        and run_id in ({{ runs_to_build() }})

),

summarised as (

    select
        {{ keys }},
        stage,
        min(first_event_index) as first_event_index,
        min(started_at) as started_at,
        max(ended_at) as last_ended_at,
        -- only a start leaves microseconds, and only with a close
        sum(attempt_microseconds) as active_microseconds,
        count(*) as attempt_count,
        count(case when kind = 'retry' then 1 end) as retry_count,
        sum(restart_count) as restart_count,
        -- every error event ends an attempt
        count(case when outcome = 'error' then 1 end) as error_count,
        -- the last attempt alone holds the stage's last status, and only the last can be open
        max(case when last_status is not null then outcome end) as outcome
    from attempts
    group by {{ keys }}, stage

),

ordered as (

    select
        *,
        row_number() over (partition by {{ keys }} order by first_event_index) as stage_order,
        -- the latest end of the stages before this one
        max(case when outcome <> 'running' then last_ended_at end) over (
            partition by {{ keys }} order by first_event_index rows between unbounded preceding and 1 preceding
        ) as ended_before_at
    from summarised

),

final as (

    select
        {{ keys }},
        stage,
        cast(stage_order as {{ dbt.type_bigint() }}) as stage_order,
        started_at,
        case when outcome <> 'running' then last_ended_at end as ended_at,
        case when outcome <> 'running' then {{ seconds_between('started_at', 'last_ended_at') }} end
            as duration_seconds,
        {{ seconds('active_microseconds') }} as active_seconds,
        {{ seconds_between('ended_before_at', 'started_at') }} as wait_seconds,
        attempt_count,
        retry_count,
        cast(restart_count as {{ dbt.type_bigint() }}) as restart_count,
        error_count,
        outcome
    from ordered

)

select * from final
{%- endmacro %}


{# The durations of the four stages that every ingestion has, and the time spent between stages, as columns of one row per
   history. Whole microseconds are summed: their order does not matter. #}
{% macro stage_seconds(relation, history) -%}
    {%- set keys = history | join(', ') -%}
    select
        {{ keys }},
        {%- for stage in ['queue', 'download', 'metrics', 'pulse'] %}
        max(case when stage = '{{ stage }}' then duration_seconds end) as {{ stage }}_seconds,
        {%- endfor %}
        {{ seconds("sum(cast(round(case when wait_seconds < 0 then 0 else wait_seconds end * 1000000) as "
            ~ dbt.type_bigint() ~ "))") }} as waiting_seconds
    from {{ relation }}
    group by {{ keys }}
{%- endmacro %}
