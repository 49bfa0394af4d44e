{# Calendar days, per engine. #}

{# A subquery of the numbers from 1, as a column `n`. From digits: no engine needs a series function of its own, and no
   union is long, of which Sail dies. #}
{% macro numbers(last) -%}
    (
        select number as n
        from (
            select 1 + ones.d + 10 * tens.d as number
            from
            {%- for name, digits in [('ones', 10), ('tens', (last - 1) // 10 + 1)] %}
                (
                    {%- for digit in range(digits) %}
                    select {{ digit }} as d {{ 'union all' if not loop.last }}
                    {%- endfor %}
                ) as {{ name }} {{ 'cross join' if not loop.last }}
            {%- endfor %}
        ) as digits
        where number <= {{ last }}
    )
{%- endmacro %}


{# The calendar day so many days after another one. #}
{% macro days_later(day, days) -%}
    {{ return(adapter.dispatch('days_later', 'statsig_runs')(day, days)) }}
{%- endmacro %}

{% macro default__days_later(day, days) -%}
    cast({{ dbt.dateadd('day', days, day) }} as date)
{%- endmacro %}

{# dbt's own takes seconds and time zones into account, which a day has not. #}
{% macro spark__days_later(day, days) -%}
    cast(date_add({{ day }}, cast({{ days }} as int)) as date)
{%- endmacro %}


{# How many days from one calendar day to another. #}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between', 'statsig_runs')(earlier, later)) }}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%}
    ({{ later }} - {{ earlier }})
{%- endmacro %}

{% macro spark__days_between(earlier, later) -%}
    datediff({{ later }}, {{ earlier }})
{%- endmacro %}

{% macro bigquery__days_between(earlier, later) -%}
    date_diff({{ later }}, {{ earlier }}, day)
{%- endmacro %}

{% macro snowflake__days_between(earlier, later) -%}
    datediff('day', {{ earlier }}, {{ later }})
{%- endmacro %}

{% macro redshift__days_between(earlier, later) -%}
    datediff(day, {{ earlier }}, {{ later }})
{%- endmacro %}
